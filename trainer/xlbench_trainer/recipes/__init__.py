"""One recipe a file: what a stage of each kind does, read top to bottom.

A recipe fills a folder with its payload and returns its record; `running` commits both.
"""
