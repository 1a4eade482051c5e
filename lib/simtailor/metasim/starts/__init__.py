"""Starts of the generator, from the matches of the population search.

``candidates`` says where the matches lie, in several ways, for many of them may be wrong in the
same way. ``fits`` fits one entry to a sample. The best starts train on trial, and ``contest``
chooses one. All numbers stand in ``policy``.
"""
