"""Treatments: victims made of other victims, whose weights are changed on opening."""
