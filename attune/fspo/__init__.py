"""Few-shot preference optimisation (FSPO, Singh et al. 2025): a language model that is told whom it speaks to by a few of their
judgments in its prompt. Here are the prompts, their tokens, and the model in numpy; ``attune.rewards.fspo`` learns and serves."""
