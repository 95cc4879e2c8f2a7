"""What happened, on one page: a summary of all reports, pictures of it, and a page that needs no network."""
