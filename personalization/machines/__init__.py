"""Machine annotators: programs that say which response they think better, beside people and never among them."""
