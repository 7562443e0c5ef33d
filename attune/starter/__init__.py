"""The starter project: prompts with responses in audibly different styles, and simulated annotators."""
