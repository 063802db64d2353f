"""Judging: which of two outputs is the better answer. Only alpaca.py knows alpaca_eval, only endpoint.py knows the
network.
"""
