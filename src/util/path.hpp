// SPDX-License-Identifier: Apache-2.0
// Paths as text, by the rules of Go's path.Clean, which decide what Dockerfile paths mean to BuildKit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bottle {

// The shortest equal path: no empty, "." or inner ".." components, no trailing '/'. "/.." is "/"; "" is ".".
std::string clean_path(std::string_view path);

// The same as a path inside a root: "" for the root itself, no leading '/'; ".." at the root stays there.
std::string path_in_root(std::string_view path);

// "a" + "b" = "a/b", "" + "b" = "b", "a" + "" = "a".
std::string join_path(std::string_view directory, std::string_view rest);

// The components; none for "". They point into `path`, which must stay.
std::vector<std::string_view> path_components(std::string_view path);
std::vector<std::string_view> path_components(std::string&& path) = delete;

// Whether the path is the directory or below it; everything is below "".
bool is_within(std::string_view path, std::string_view directory);

}  // namespace bottle
