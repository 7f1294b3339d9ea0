"""Invoices and credit notes as PDF, and how figures are written for people."""
