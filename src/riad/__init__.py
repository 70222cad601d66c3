"""Riad: the sovereign AI platform a country, a university or a company runs itself."""

__version__ = "0.1.0"
