"""The GLM-4V service: an OpenAI-compatible API in a container that can reach nothing."""
