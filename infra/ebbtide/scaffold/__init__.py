"""`ebbtide init`: a project's files, from answers or from a set-up that runs. What is there is never written over."""
