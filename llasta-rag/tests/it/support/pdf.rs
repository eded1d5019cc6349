//! Small PDFs, written by hand.

/// A PDF with these texts on its pages, a line each. A page without a text has a picture's worth of
/// nothing on it.
pub(crate) fn of_pages(pages: &[&str]) -> Vec<u8> {
    let contents = pages.iter().map(|page| content(page)).collect();
    document(contents, "")
}

/// The same, with one page (from 1) whose content cannot be read.
pub(crate) fn with_broken_page(pages: &[&str], broken: usize) -> Vec<u8> {
    let mut contents: Vec<_> = pages.iter().map(|page| content(page)).collect();
    // A font that is not there.
    contents[broken - 1] = "BT /Missing 12 Tf (lost) Tj ET".to_owned();
    document(contents, "")
}

/// A PDF that says it is encrypted with a password.
pub(crate) fn encrypted() -> Vec<u8> {
    let key = "00".repeat(32);
    let encrypt = format!(
        "/Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >> /ID [<00> <00>]"
    );
    document(vec![content("Nobody reads this.")], &encrypt)
}

fn content(text: &str) -> String {
    if text.is_empty() {
        return "0 0 100 100 re f".to_owned();
    }
    let lines = text.lines().enumerate().map(|(at, line)| {
        let line = line
            .replace('\\', "\\\\")
            .replace('(', "\\(")
            .replace(')', "\\)");
        format!("BT /F1 12 Tf 72 {} Td ({line}) Tj ET\n", 720 - 14 * at)
    });
    lines.collect()
}

fn document(contents: Vec<String>, trailer: &str) -> Vec<u8> {
    let pages = contents.len();
    let kids: Vec<_> = (0..pages)
        .map(|page| format!("{} 0 R", 5 + 2 * page))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {pages} >>",
            kids.join(" ")
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
        "<< /Title (A manual) >>".to_owned(),
    ];
    for (page, content) in contents.into_iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            6 + 2 * page
        ));
        let length = content.len();
        objects.push(format!(
            "<< /Length {length} >>\nstream\n{content}\nendstream"
        ));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = String::new();
    for (at, object) in objects.iter().enumerate() {
        places.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", at + 1));
    }
    let start = file.len();
    let size = objects.len() + 1;
    file.push_str(&format!(
        "xref\n0 {size}\n0000000000 65535 f \n{places}trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n"
    ));
    file.into_bytes()
}
