"""The API of rewards and latents."""
