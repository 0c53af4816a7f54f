"""What a decode step does otherwise on an NVIDIA GPU."""
