"""Serve ebbtide's components to a Pulumi engine."""

from ebbtide.package.host import main

main()
