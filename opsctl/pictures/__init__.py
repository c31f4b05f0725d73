"""Drawings and pages of what the domain tells: pure functions from values to text and bytes.

`layout` gives a picture's lanes their places, `svg`, `png`, `mermaid` and `text` draw it, `report` writes a page.
"""
