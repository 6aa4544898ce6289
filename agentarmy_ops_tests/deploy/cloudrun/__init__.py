"""What is given to gcloud for Cloud Run, held against Google's schema and our own rules."""
