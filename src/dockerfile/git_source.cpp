// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/git_source.hpp"

#include <algorithm>
#include <map>

#include "dockerfile/text.hpp"
#include "util/path.hpp"

namespace bottle::dockerfile {
namespace {

constexpr std::string_view kUnnamed = "__unnamed__";

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
int hex_value(char c) {
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}
bool all_of(std::string_view text, const auto& test) {
  return std::all_of(text.begin(), text.end(), test);
}

enum class Plus { kept, blank };

// nullopt for a "%" without two digits behind it.
std::optional<std::string> percent_decoded(std::string_view text, Plus plus) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      if (at + 2 >= text.size() || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) return std::nullopt;
      result += static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
      at += 2;
    } else {
      result += text[at] == '+' && plus == Plus::blank ? ' ' : text[at];
    }
  }
  return result;
}

// A URL or scp-like address in its parts, as far as they matter here.
struct Address {
  std::string scheme;  // in lower case; "ssh" of "git@host:path"
  std::string remote;  // without query and fragment
  std::string path;    // decoded
  std::string_view query;
  std::string fragment;  // decoded
  bool is_scp = false;
};

bool is_host(std::string_view host) {
  if (host.starts_with('[')) return host.find(']') != std::string_view::npos;
  if (const std::size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    if (!all_of(host.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; })) return false;
    host = host.substr(0, colon);
  }
  return all_of(host, [](char c) {
    return is_letter_or_digit(c) || static_cast<unsigned char>(c) >= 0x80 ||
           std::string_view("-._~!$&'()*+,;=:%\"<>").find(c) != std::string_view::npos;
  });
}

// "<letters and digits>://...". nullopt when there is no such start.
std::optional<std::string> scheme_of(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0 || !all_of(text.substr(0, end), is_letter_or_digit))
    return std::nullopt;
  return to_lower(text.substr(0, end));
}

std::optional<Address> parse_url(std::string_view text, std::string scheme) {
  if (!all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; }))
    return std::nullopt;
  if (scheme.front() >= '0' && scheme.front() <= '9') return std::nullopt;
  Address address;
  std::string_view rest = text.substr(scheme.size() + 3);
  if (const std::size_t hash = rest.find('#'); hash != std::string_view::npos) {
    const auto fragment = percent_decoded(rest.substr(hash + 1), Plus::kept);
    if (!fragment) return std::nullopt;
    address.fragment = *fragment;
    rest = rest.substr(0, hash);
  }
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    address.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  address.remote = scheme + "://" + std::string(rest);
  address.scheme = std::move(scheme);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::size_t user = authority.rfind('@');
  if (!is_host(user == std::string_view::npos ? authority : authority.substr(user + 1))) return std::nullopt;
  const auto path = percent_decoded(rest.substr(slash), Plus::kept);
  if (!path) return std::nullopt;
  address.path = *path;
  return address;
}

// "user@host:path[?query][#fragment]".
std::optional<Address> parse_scp(std::string_view text) {
  const std::size_t user = text.find('@');
  if (user == 0 || user == std::string_view::npos) return std::nullopt;
  const std::size_t colon = text.find(':', user);
  if (colon == std::string_view::npos || colon == user + 1) return std::nullopt;
  const auto in_user = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; };
  const auto in_host = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; };
  if (!all_of(text.substr(0, user), in_user) || !all_of(text.substr(user + 1, colon - user - 1), in_host) ||
      text.find('\n') != std::string_view::npos)
    return std::nullopt;
  Address address;
  address.scheme = "ssh";
  address.is_scp = true;
  std::string_view rest = text;
  if (const std::size_t hash = rest.find('#', colon); hash != std::string_view::npos) {
    address.fragment = std::string(rest.substr(hash + 1));
    rest = rest.substr(0, hash);
  }
  if (const std::size_t mark = rest.find('?', colon); mark != std::string_view::npos) {
    address.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  address.remote = std::string(rest);
  address.path = std::string(rest.substr(colon + 1));
  return address;
}

using Query = std::map<std::string, std::vector<std::string>>;

// Pairs with an invalid encoding are left out and clear `is_valid`.
Query parse_query(std::string_view text, bool& is_valid) {
  Query query;
  is_valid = true;
  for (const std::string& pair : split(text, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto key = percent_decoded(pair.substr(0, equals), Plus::blank);
    const auto value = percent_decoded(equals < pair.size() ? pair.substr(equals + 1) : "", Plus::blank);
    if (pair.find(';') != std::string::npos || !key || !value)
      is_valid = false;
    else
      query[*key].push_back(*value);
  }
  return query;
}

[[noreturn]] void fail_git(std::string message, std::string hint = {}) {
  throw SourceKindError(std::move(message), {.where = {}, .hint = std::move(hint)});
}

bool read_switch(const std::string& name, const std::string& value) {
  static constexpr std::string_view kYes[] = {"", "1", "t", "T", "true", "TRUE", "True"};
  static constexpr std::string_view kNo[] = {"0", "f", "F", "false", "FALSE", "False"};
  if (std::find(std::begin(kYes), std::end(kYes), value) != std::end(kYes)) return true;
  if (std::find(std::begin(kNo), std::end(kNo), value) != std::end(kNo)) return false;
  fail_git("invalid " + name + " value: " + in_quotes(value),
           "write " + name + "=true or " + name + "=false");
}

void set_once(std::string& field, const std::string& value, const char* name) {
  if (!field.empty() && field != value)
    fail_git(std::string(name) + " conflicts: " + in_quotes(field) + " vs " + in_quotes(value),
             "remove one of them");
  field = value;
}

std::string full_ref(std::string_view prefix, const std::string& name) {
  return name.starts_with(prefix) ? name : std::string(prefix) + name;
}

void read_query(GitSource& source, const Query& query) {
  static constexpr std::string_view kNames[] = {
      "ref",    "tag",          "branch",     "subdir", "checksum",
      "commit", "keep-git-dir", "submodules", "mtime",  "fetch-by-commit"};
  std::string tag;
  std::string branch;
  for (const auto& [key, values] : query) {
    const std::string& value = values.front();
    const bool is_switch = key == "submodules" || key == "keep-git-dir" || key == "fetch-by-commit";
    if (values.size() > 1) fail_git("query " + in_quotes(key) + " has multiple values");
    if (value.empty() && !is_switch) fail_git("query " + in_quotes(key) + " has no value");
    if (key == "ref") {
      set_once(source.ref, value, "ref");
    } else if (key == "tag") {
      tag = full_ref("refs/tags/", value);
    } else if (key == "branch") {
      branch = full_ref("refs/heads/", value);
    } else if (key == "subdir") {
      set_once(source.subdir, value, "subdir");
    } else if (key == "checksum" || key == "commit") {
      set_once(source.checksum, value, "checksum");
    } else if (key == "keep-git-dir") {
      source.keep_git_dir = read_switch(key, value);
    } else if (key == "submodules") {
      source.submodules = read_switch(key, value);
    } else if (key == "fetch-by-commit") {
      source.fetch_by_commit = read_switch(key, value);
    } else if (key == "mtime") {
      if (value != "checkout" && value != "commit")
        fail_git("invalid mtime value: " + in_quotes(value), "write mtime=checkout or mtime=commit");
      source.commit_times = value == "commit";
    } else {
      const std::string near = nearest(key, std::span<const std::string_view>(kNames));
      fail_git("unexpected query " + in_quotes(key), near.empty() ? "" : "did you mean " + near + "?");
    }
  }
  if (!tag.empty() && !branch.empty()) fail_git("branch conflicts with tag", "give one of them");
  if (!tag.empty()) set_once(source.ref, tag, "ref");
  if (!branch.empty()) set_once(source.ref, branch, "ref");
}

std::string clean_subdir(std::string_view subdir) {
  return path_in_root(subdir);
}

// The git source that the address is, nullopt for none.
std::optional<GitSource> git_source(const Address& address) {
  const bool is_http = address.scheme == "http" || address.scheme == "https";
  if (is_http && !address.path.ends_with(".git")) return std::nullopt;
  bool is_valid = true;
  const Query query = parse_query(address.query, is_valid);
  if (!is_valid && address.is_scp) return std::nullopt;
  GitSource source;
  source.remote = address.remote;
  source.unencrypted = address.scheme == "http" || address.scheme == "git";
  const std::size_t colon = std::min(address.fragment.find(':'), address.fragment.size());
  source.ref = address.fragment.substr(0, colon);
  if (colon < address.fragment.size()) source.subdir = clean_subdir(address.fragment.substr(colon + 1));
  read_query(source, query);
  source.subdir = clean_subdir(source.subdir);
  return source;
}

std::string file_name_of(const std::optional<Address>& url) {
  if (!url) return std::string(kUnnamed);
  std::string_view path = url->path;
  while (path.ends_with('/'))
    path.remove_suffix(1);
  path = path.substr(path.rfind('/') + 1);
  return path.empty() || path == "." ? std::string(kUnnamed) : std::string(path);
}

std::optional<Address> address_of(std::string_view text) {
  const auto scheme = scheme_of(text);
  if (!scheme) return parse_scp(text);
  const bool is_known = *scheme == "http" || *scheme == "https" || *scheme == "ssh" || *scheme == "git";
  return is_known ? parse_url(text, *scheme) : std::nullopt;
}

// Only lower case counts, as in BuildKit: "HTTP://x" is a path.
bool is_http_start(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

std::vector<RemoteOrPath> classify_all(const std::vector<std::string>& sources) {
  std::vector<RemoteOrPath> result;
  result.reserve(sources.size());
  for (const std::string& source : sources)
    result.push_back(classify_source(source));
  return result;
}

void check_digest(const std::string& checksum) {
  const std::string_view text = checksum;
  constexpr std::string_view kPrefix = "sha256:";
  const auto is_lower_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 64 ||
      !all_of(text.substr(kPrefix.size()), is_lower_hex))
    fail_git("--checksum=" + checksum + " is not a digest", "write sha256: and 64 hexadecimal digits");
}

void check_commit(const std::string& checksum) {
  if (checksum.empty() || checksum.size() > 64 || !all_of(checksum, is_hex))
    fail_git("the checksum " + in_quotes(checksum) + " is not a commit",
             "write the 40 hexadecimal digits of the commit, or the first of them");
}

}  // namespace

std::string GitSource::string() const {
  std::string text = remote;
  if (!ref.empty() || !subdir.empty()) text += "#" + ref;
  if (!subdir.empty()) text += ":" + subdir;
  return text;
}

RemoteOrPath classify_source(std::string_view text) {
  const std::optional<Address> address =
      text.starts_with("./") || text.starts_with("../") ? std::nullopt : address_of(text);
  if (address) {
    if (auto git = git_source(*address)) return *git;
  }
  if (is_http_start(text)) return UrlSource{std::string(text), file_name_of(address)};
  return PathSource{std::string(text)};
}

bool is_remote_source(std::string_view text) {
  try {
    return !std::holds_alternative<PathSource>(classify_source(text));
  } catch (const SourceKindError&) {
    return true;
  }
}

std::vector<RemoteOrPath> classify_sources(const Copy& copy) {
  std::vector<RemoteOrPath> result = classify_all(copy.transfer.sources);
  for (const RemoteOrPath& source : result) {
    const char* hint = "use ADD";
    if (std::holds_alternative<GitSource>(source)) fail_git("source can't be a git ref for COPY", hint);
    if (std::holds_alternative<UrlSource>(source)) fail_git("source can't be a URL for COPY", hint);
  }
  return result;
}

std::vector<RemoteOrPath> classify_sources(const Add& add) {
  std::vector<RemoteOrPath> result = classify_all(add.transfer.sources);
  if (!add.checksum.empty()) {
    if (result.size() != 1)
      fail_git("checksum can't be specified for multiple sources", "write one ADD for each source");
    if (std::holds_alternative<PathSource>(result.front()))
      fail_git("checksum requires HTTP(S) or Git sources",
               "remove --checksum: the content of context files is part of the key");
  }
  for (RemoteOrPath& source : result) {
    if (auto* url = std::get_if<UrlSource>(&source)) {
      if (!add.checksum.empty()) check_digest(add.checksum);
      url->checksum = add.checksum;
    } else if (auto* git = std::get_if<GitSource>(&source)) {
      if (add.keep_git_dir && git->keep_git_dir && *add.keep_git_dir != *git->keep_git_dir)
        fail_git("inconsistent keep-git-dir configuration",
                 "give the flag and the query the same value, or remove one of them");
      if (!git->keep_git_dir) git->keep_git_dir = add.keep_git_dir;
      if (!add.checksum.empty() && !git->checksum.empty() && add.checksum != git->checksum)
        fail_git("checksum mismatch " + in_quotes(add.checksum) + " != " + in_quotes(git->checksum),
                 "give the flag and the query the same value, or remove one of them");
      if (git->checksum.empty()) git->checksum = add.checksum;
      if (!git->checksum.empty()) check_commit(git->checksum);
      if (git->fetch_by_commit && git->checksum.empty())
        fail_git("fetch-by-commit without a commit", "add checksum=<commit>");
    }
  }
  return result;
}

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace bottle::dockerfile
