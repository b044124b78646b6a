"""What next for this person: when they are asked, what they are offered, at what price."""
