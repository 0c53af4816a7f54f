"""Build, sign and ship: image, model weights, manifest."""
