module programs/runc

go 1.23.0

tool github.com/opencontainers/runc

require github.com/opencontainers/runc v1.3.3
