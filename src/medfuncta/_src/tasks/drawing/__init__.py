"""What every picture and page is made of; it knows of no answer."""
