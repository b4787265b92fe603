"""What ebbtide runs in PID 1 of a consumer container, as a plugin of supervisord 4.3.0."""
