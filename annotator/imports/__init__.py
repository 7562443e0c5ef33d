"""Files in: judgments, or prompts with responses, as JSON lines or CSV.

``reading`` makes rows of bytes, ``rows`` checks each row by itself, ``writing`` finds or adds what a batch of rows names,
``running`` ties them together in one transaction. ``batches`` is the same for a file that a worker reads.
"""
