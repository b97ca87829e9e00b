// SPDX-License-Identifier: Apache-2.0
#include "image/remote/git_command.hpp"

#include <algorithm>
#include <cstdlib>

#include "image/remote/tree.hpp"
#include "image/remote/url.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::remote {

using dockerfile::GitSource;

std::string shown_remote(const GitSource& source) {
  return without_credentials(source.remote);
}

void check_git_source(const GitSource& source) {
  const auto refuse = [&](const char* what, const std::string& text) {
    throw Error(std::string("\"") + escape_word(text) + "\" is not a " + what,
                {.where = shown_remote(source)});
  };
  if (source.remote.empty() || source.remote.front() == '-') refuse("git remote", source.remote);
  // "ssh://-oProxyCommand=..." is an option to ssh.
  const std::size_t scheme = source.remote.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t end = std::min(source.remote.find('/', host), source.remote.size());
  const std::size_t at = source.remote.rfind('@', end);
  const std::size_t name = at == std::string::npos || at < host ? host : at + 1;
  if (source.remote.compare(host, 1, "-") == 0 || source.remote.compare(name, 1, "-") == 0)
    refuse("git remote", source.remote);
  const std::string& ref = source.ref;
  const bool is_bad = std::any_of(ref.begin(), ref.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f ||
           std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
  });
  if (is_bad || ref.starts_with('-') || ref.ends_with('.') || ref.find("..") != std::string::npos ||
      ref.find("@{") != std::string::npos)
    refuse("name of a commit, branch or tag", ref);
  if (dockerfile::is_commit(ref) && !ref.starts_with(source.checksum))
    throw Error("the commit " + ref + " is not the checksum " + source.checksum,
                {.where = shown_remote(source)});
}

GitCommand::GitCommand(const GitSource& source) : source_(source) {
  if (!find_program("git"))
    throw Error("cannot find git, which ADD needs for a repository",
                {.where = shown_remote(source), .hint = "install git (Debian: apt install git)"});
  environment_ = {"PATH=" + environment::find(environment::kPath).value_or("/usr/local/bin:/usr/bin:/bin"),
                  "LC_ALL=C",
                  "HOME=/dev/null",
                  "GIT_CONFIG_NOSYSTEM=1",
                  "GIT_CONFIG_GLOBAL=/dev/null",
                  "GIT_ATTR_NOSYSTEM=1",
                  "GIT_TERMINAL_PROMPT=0",
                  "GIT_ASKPASS=true",
                  "GIT_SSH_COMMAND=ssh -o BatchMode=yes",
                  "GIT_LFS_SKIP_SMUDGE=1"};
  for (const environment::Variable variable :
       {environment::kSshAuthSock, environment::kHttpProxy, environment::kHttpsProxy, environment::kNoProxy,
        environment::kAllProxy, environment::kHttpProxyLower, environment::kHttpsProxyLower,
        environment::kNoProxyLower, environment::kAllProxyLower, environment::kSslCertFile,
        environment::kGitSslCaInfo})
    if (const auto value = environment::find(variable))
      environment_.push_back(std::string(variable.name) + "=" + *value);
}

ProcessResult GitCommand::run(const std::vector<std::string>& arguments, const fs::path& directory,
                              const std::function<void(std::string_view)>& on_output) const {
  // file: and ext: would reach what is on this machine; a repository may name them for its submodules.
  Command command;
  command.arguments = {
      "git", "-c", "protocol.allow=never", "-c", "protocol.http.allow=always", "-c",
      "protocol.https.allow=always", "-c", "protocol.git.allow=always", "-c", "protocol.ssh.allow=always",
      "-c", "protocol.file.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c",
      "core.symlinks=true", "-c", "core.fileMode=true", "-c", "credential.helper=", "-c", "gc.auto=0", "-c",
      "maintenance.auto=false", "-c",
      // Each object a separate file where single objects are read.
      std::string("fetch.unpackLimit=") + (source_.keep_git_dir.value_or(false) ? "2000000000" : "100"), "-c",
      "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "advice.detachedHead=false"};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = environment_;
  command.directory = directory;
  command.largest_file = kMaximumTreeBytes;
  return run_program(std::move(command), on_output);
}

std::string GitCommand::must(const std::vector<std::string>& arguments, const fs::path& directory) const {
  const ProcessResult finished = run(arguments, directory);
  if (!finished.status.success()) fail(arguments.front(), finished);
  return finished.output;
}

void GitCommand::fail(const std::string& what, const ProcessResult& finished) const {
  throw Error("git " + what + " failed (" + finished.status.text() + "): " + last_words(finished.output),
              {.where = shown_remote(source_),
               .hint = "check that git can fetch it without your configuration: GIT_CONFIG_GLOBAL=/dev/null "
                       "git ls-remote"});
}

// The last lines, without what the remote's URL may hold.
std::string GitCommand::last_words(std::string text) const {
  const std::string plain = shown_remote(source_);
  if (plain != source_.remote)
    for (std::size_t at = text.find(source_.remote); at != std::string::npos;
         at = text.find(source_.remote, at + plain.size()))
      text.replace(at, source_.remote.size(), plain);
  if (text.size() > 600) text.erase(0, text.find('\n', text.size() - 600) + 1);
  while (text.ends_with('\n'))
    text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? "no output" : text;
}

}  // namespace bottle::image::remote
