"""A tiny GLM-4V, trained here on drawn pictures, so that everything runs without a GPU or a download."""
