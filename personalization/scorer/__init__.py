"""The process that holds the encoder, and the client through which web processes use it."""
