"""Labels that people give studies: which studies there are, versions of labels, agreement, what to annotate next."""
