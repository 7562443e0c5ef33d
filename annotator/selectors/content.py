"""What responses have beside their text, for statements that are written out."""

from __future__ import annotations


def beside(alias: str) -> str:
    """JSON text of a response's picture, of how the conversation went on, and of what came of following it.

    Null where it has none of them, as most have. ``alias`` is the response's in the statement.
    """
    return f"""CASE WHEN {alias}.picture_id IS NOT NULL OR {alias}.after <> '[]' OR {alias}.consequence <> ''
    THEN json_build_object('after', {alias}.after, 'consequence', {alias}.consequence, 'picture', (
        SELECT json_build_object('name', i.name, 'width', i.width, 'height', i.height)
        FROM annotator_picture i WHERE i.id = {alias}.picture_id))::text END"""
