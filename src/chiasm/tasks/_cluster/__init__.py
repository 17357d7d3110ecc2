"""What `cluster` needs beside itself."""
