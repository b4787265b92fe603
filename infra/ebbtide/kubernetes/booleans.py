"""What Go reads as a boolean: values of annotations and of KEDA's triggers are texts, and `"True"` is one of them."""

# strconv.ParseBool. Any other text is an error.
GO_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
