// SPDX-License-Identifier: Apache-2.0
#include "gate/container_files.hpp"

#include <sys/stat.h>

#include <span>

#include <fmt/format.h>

#include "oci/entry.hpp"
#include "oci/tar_writer.hpp"
#include "util/error.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

using container::Client;
using container::OnFailure;

constexpr std::uint64_t kLargestIdentity = 1u << 20;

fs::path identity_file(const LaunchRequest& request, const RenderedGate::IdentityFile& identity) {
  if (!identity.secret.empty()) {
    if (request.secrets.empty())
      throw Error("the identity of " + identity.name + " is the secret \"" + identity.secret + "\"",
                  {.hint = "give the directory of the secrets with --secrets DIR"});
    return request.secrets / identity.secret;
  }
  if (identity.file.compare(0, 2, "~/") == 0) return request.home / identity.file.substr(2);
  return identity.file;
}

// The container's file /etc/passwd.
std::string passwd_of(const Client& client, const std::string& container) {
  const TemporaryDirectory directory;
  const fs::path passwd = directory.path() / "passwd";
  client.command({"cp", container + ":/etc/passwd", passwd.native()}, "cp " + container + ":/etc/passwd",
                 OnFailure::fatal);
  return read_file(passwd);
}

// The account that the container's programs run as: its image's USER, looked up in its own /etc/passwd.
Owner gate_user(const Client& client, const std::string& container) {
  const std::string user = client
                               .command({"container", "inspect", "--format", "{{.Config.User}}", container},
                                        "container inspect " + container, OnFailure::fatal)
                               .output;
  const std::string name = user.substr(0, user.find(':'));
  if (name.empty() || name == "root") return {};
  const std::string text = passwd_of(client, container);
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4 || (fields[0] != name && fields[2] != name)) continue;
    const auto uid = parse_unsigned(fields[2]);
    const auto gid = parse_unsigned(fields[3]);
    if (uid && gid) return {static_cast<std::uint32_t>(*uid), static_cast<std::uint32_t>(*gid)};
  }
  throw Error("the image's user \"" + user + "\" is not in its /etc/passwd",
              {.where = "container " + container});
}

// /etc/passwd with an entry for the account, without which ssh does not run; "" if it has one.
std::string passwd_with(std::string passwd, const Owner& owner, const std::string& home) {
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() > 2 && fields[2] == std::to_string(owner.uid)) return "";
  }
  if (!passwd.empty() && passwd.back() != '\n') passwd += '\n';
  return passwd + fmt::format("gate-{0}:x:{0}:{1}::{2}:/bin/sh\n", owner.uid, owner.gid, home);
}

// A tar for `cp`, which extracts it in a directory of the container, with their final owners and permissions.
class Tar {
 public:
  // `place` is that directory: "/" or "/a/b".
  explicit Tar(std::string place) : place_(std::move(place)) {}

  void add_directory(const std::string& path, std::uint16_t mode, const Owner& owner) {
    oci::Entry entry = entry_of(path, mode, owner);
    entry.type = oci::EntryType::directory;
    oci::append_tar_header(text_, entry, oci::TarStyle::layer);
  }
  void add(const std::string& path, const std::string& content, std::uint16_t mode, const Owner& owner) {
    oci::Entry entry = entry_of(path, mode, owner);
    entry.size = content.size();
    oci::append_tar_header(text_, entry, oci::TarStyle::layer);
    text_ += content;
    text_ += oci::tar_padding(content.size());
  }

  // Podman gives all files to the container's user without --archive; Docker keeps the owners in any case.
  void copy_into(const Client& client, const std::string& container) const {
    std::string whole = text_;
    whole += oci::tar_end();
    const ProcessResult finished =
        run_fed({client.program(), "cp", "--archive=false", "-", container + ":" + place_},
                [&](const oci::Sink& sink) {
                  sink(std::as_bytes(std::span<const char>(whole.data(), whole.size())));
                });
    if (!finished.status.success())
      throw Error("cannot copy the files of the gate: " + last_line(finished.output),
                  {.where = "container " + container});
  }

 private:
  oci::Entry entry_of(const std::string& path, std::uint16_t mode, const Owner& owner) const {
    oci::Entry entry;
    entry.path = path.substr(place_ == "/" ? 1 : place_.size() + 1);
    entry.mode = mode;
    entry.uid = owner.uid;
    entry.gid = owner.gid;
    return entry;
  }

  std::string place_;
  std::string text_;
};

// What the image prepared becomes the account's, which is in /etc/passwd afterwards.
void add_account(Tar& tar, const RenderedGate& gate, const Owner& owner, const std::string& passwd) {
  tar.add_directory(gate.root(), 0755, owner);
  for (const char* below : {"/repositories", "/tmp", "/home"})
    tar.add_directory(gate.root() + below, 0755, owner);
  tar.add_directory(gate.root() + "/creds", 0700, owner);
  if (!passwd.empty()) tar.add("/etc/passwd", passwd, 0644, {});
}

void add_rendered(Tar& tar, const LaunchRequest& request, const RenderedGate& gate) {
  for (const std::string& name : gate.files) {
    if (!oci::is_entry_path(name) || name.find('/') != std::string::npos)
      throw Error("expected a file name in gate.json, found \"" + name + "\"");
    struct stat status {};
    if (::stat((request.rendered / name).c_str(), &status) != 0)
      throw_errno("cannot stat", (request.rendered / name).native());
    tar.add(gate.etc() + "/" + name, read_file(request.rendered / name),
            (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644, {});
  }
}

void add_identities(Tar& tar, const RenderedGate& gate, const std::map<std::string, std::string>& identities,
                    const Owner& owner) {
  for (const auto& [name, content] : identities)
    tar.add(gate.root() + "/creds/" + name, content, 0400, owner);
}

}  // namespace

std::map<std::string, std::string> read_identities(const LaunchRequest& request, const RenderedGate& gate) {
  std::map<std::string, std::string> contents;
  for (const RenderedGate::IdentityFile& identity : gate.identities) {
    if (identity.agent) continue;
    const fs::path file = identity_file(request, identity);
    const auto content = read_file_if_exists(file, kLargestIdentity);
    if (!content)
      throw Error("the identity of " + identity.name + " does not exist",
                  {.where = file.native(), .hint = "create the file: it is read when the gate is launched"});
    contents[identity.name] = *content;
  }
  return contents;
}

Owner agent_owner(const std::string& agent) {
  struct stat status {};
  if (::stat(agent.c_str(), &status) != 0) throw_errno("cannot stat the socket of the agent", agent);
  return {status.st_uid, status.st_gid};
}

void copy_files(const Client& client, const std::string& container, const LaunchRequest& request,
                const RenderedGate& gate, const std::map<std::string, std::string>& identities,
                const std::optional<Owner>& other) {
  if (other) {
    Tar all("/");
    add_account(all, gate, *other, passwd_with(passwd_of(client, container), *other, gate.root() + "/home"));
    add_rendered(all, request, gate);
    add_identities(all, gate, identities, *other);
    return all.copy_into(client, container);
  }
  // The root is read-only; these two are volumes.
  Tar rendered(gate.etc());
  add_rendered(rendered, request, gate);
  rendered.copy_into(client, container);
  if (identities.empty()) return;
  Tar own(gate.root());
  add_identities(own, gate, identities, gate_user(client, container));
  own.copy_into(client, container);
}

}  // namespace bottle::gate
