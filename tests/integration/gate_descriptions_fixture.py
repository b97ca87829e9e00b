# SPDX-License-Identifier: Apache-2.0
"""Descriptions of gates, valid and changed."""
import copy


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9ks7jkua5YWIwByRnnnc6UPJQWI75O0e/UJdPYU1JI"
GOOD = {
    "schema": 1,
    "kind": "git-gate",
    "listen": {"address": "0.0.0.0", "port": 9418},
    "hashKnownHosts": True,
    "upstreams": [
        {
            "name": "one",
            "host": "example.com",
            "port": 22,
            "user": "git",
            "repository": "/team/x.git",
            "identity": {"file": "~/.ssh/id"},
            "knownHostKey": [KEY],
            "refs": ["refs/heads/agent/*"],
            "allowForce": True,
            "allowDelete": False,
            "maxBlobBytes": 1,
            "maxPushBytes": 1,
            "maxRefs": 1,
        },
        {
            "name": "two",
            "url": "git@example.com:x",
            "identity": {"secret": "KEY"},
            "knownHostKey": KEY,
        },
    ],
    "scanner": {
        "useDefault": True,
        "timeout": 5,
        "allow": ["x"],
        "rules": [
            {
                "id": "a",
                "description": "b",
                "regex": "c",
                "secretGroup": 1,
                "entropy": 2.5,
                "keywords": ["d"],
            }
        ],
    },
    "environment": {"HTTP_PROXY": "http://proxy"},
    "variables": {"own": "value"},
}
SSH = {
    "schema": 1,
    "kind": "ssh-gate",
    "clients": [KEY],
    "hosts": [{"name": "db", "host": "db.example.com", "port": 5432}],
}


def changed(description, place, value):
    result = copy.deepcopy(description)
    *path, last = place[1:].split("/")
    inner = result
    for word in path:
        inner = inner[int(word)] if isinstance(inner, list) else inner[word]
    inner[int(last) if isinstance(inner, list) else last] = value
    return result
