"""Routes that other reward servers have, over the same rewards, so that trainers need no glue.

Each module speaks one dialect: what the client sends, what it reads, and how its errors look.
"""
