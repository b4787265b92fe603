"""`ebbtide doctor`: what a set-up that runs already loses, repeats, delays or costs. Reads files, and runs nothing.

    files -> readers (each format: what it says, and where) -> connect (what runs as PID 1, which hook) -> rules

What could not be read, or cannot be known from files, is said as such: nothing is called right because no rule fired.
"""
