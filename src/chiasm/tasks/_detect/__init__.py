"""What `detect` needs beside itself."""
