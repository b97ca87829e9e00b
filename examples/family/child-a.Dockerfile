# Only configuration: this adds no layer.
FROM base
ENV CHILD=a
CMD ["/bin/a"]
