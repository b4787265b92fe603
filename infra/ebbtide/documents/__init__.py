"""What commands print with `--format json`: plain dataclasses, each printed, read and described in one way."""
