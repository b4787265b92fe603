"""One module a format: what a file says, and at which line. A reader knows its own files (`read.py`)."""
