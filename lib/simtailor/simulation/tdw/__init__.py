"""Simulated sets by ThreeDWorld: its build draws, simtailor is its controller.

Source of the protocol and of the commands' names: the package tdw 1.13 and ThreeDWorld's own
pages of commands and output data.
"""
