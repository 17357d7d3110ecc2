"""What torch trains: heads, losses, the loop, and the bridge from Views to tensors."""
