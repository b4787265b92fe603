"""The component package that other languages add: `pulumi package add`."""
