"""What `retrieve` needs beside itself."""
