"""What `ask` needs beside itself."""
