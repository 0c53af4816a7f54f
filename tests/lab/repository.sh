# Docker's apt repository as far as apt can tell: `build PORT` or `sign USER`. Its packages have units that sleep.
set -eu
place=/srv/casemate-test
export GNUPGHOME=$place/gnupg
. /etc/os-release
root=$place/linux/$ID
dist=$root/dists/$VERSION_CODENAME

unit() {
    mkdir -p $place/deb/usr/bin $place/deb/usr/lib/systemd/system
    printf '[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
        >$place/deb/usr/lib/systemd/system/$1.service
}

build() {
    if ! command -v gpg >/dev/null; then
        apt-get update -q >/dev/null
        apt-get install -y -q --no-install-recommends gpg gpg-agent >/dev/null
    fi
    rm -rf $place
    mkdir -p "$dist/stable/binary-amd64" "$root/pool" $place/deb/DEBIAN
    mkdir -m 700 $GNUPGHOME
    for name in docker-ce docker-ce-cli containerd.io; do
        rm -rf $place/deb/usr
        displaced=
        case $name in
        docker-ce) displaced=docker.io && unit docker && printf '#!/bin/sh\nexit 0\n' >$place/deb/usr/bin/dockerd ;;
        containerd.io) displaced='containerd, runc' && unit containerd ;;
        esac
        printf 'Package: %s\nVersion: 99\nArchitecture: amd64\nMaintainer: t <t@example.org>\nDescription: none\n' \
            "$name" >$place/deb/DEBIAN/control
        if [ -n "$displaced" ]; then
            printf 'Conflicts: %s\nReplaces: %s\n' "$displaced" "$displaced" >>$place/deb/DEBIAN/control
        fi
        file=$root/pool/$name.deb
        chmod -R a+rX,u+x $place/deb
        dpkg-deb --build $place/deb "$file" >/dev/null
        {
            cat $place/deb/DEBIAN/control
            printf 'Filename: pool/%s.deb\nSize: %s\n' "$name" "$(stat -c %s "$file")"
            printf 'SHA256: %s\n\n' "$(sha256sum "$file" | cut -d' ' -f1)"
        } >>"$dist/stable/binary-amd64/Packages"
    done
    cd "$dist"
    list=stable/binary-amd64/Packages
    {
        printf 'Origin: Docker\nSuite: %s\nCodename: %s\n' "$VERSION_CODENAME" "$VERSION_CODENAME"
        printf 'Architectures: amd64\nComponents: stable\nDate: %s\nSHA256:\n' "$(date -Ru)"
        printf ' %s %s %s\n' "$(sha256sum $list | cut -d' ' -f1)" "$(stat -c %s $list)" $list
    } >Release
    systemd-run --quiet --unit casemate-test-repository \
        python3 -m http.server "$1" --bind 127.0.0.1 --directory $place
}

sign() {
    gpg --batch --quiet --passphrase '' --quick-gen-key "$1" rsa2048 sign never
    gpg --batch --quiet --yes --local-user "$1" --clearsign -o "$dist/InRelease" "$dist/Release"
}

"$@"
