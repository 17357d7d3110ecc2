"""What `link` needs beside itself."""
