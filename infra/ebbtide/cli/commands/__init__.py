"""What each command can be asked: its options and their help, in one module each, which no other command loads.

They import nothing of the product but names; what a command runs is in `ebbtide.cli`, and is imported when it runs.
"""
