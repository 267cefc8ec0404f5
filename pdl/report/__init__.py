"""Reports: the engines compared on one list, and one run looked at; as values, tables, pages, JSON and Markdown."""
