"""Surfaces: the command line and what it prints. They translate; they do not decide."""
