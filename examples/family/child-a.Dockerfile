# Only configuration: no layer of its own.
FROM base
ENV CHILD=a
CMD ["/bin/a"]
