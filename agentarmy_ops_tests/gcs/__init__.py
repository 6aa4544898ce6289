"""A server of the part of Cloud Storage's JSON API that stores use, which keeps its rules."""
