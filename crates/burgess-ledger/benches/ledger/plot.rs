//! One picture: CPU time per event over the length of the log.

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 40.0;
/// The axis of sizes, in powers of ten.
const POWERS: std::ops::RangeInclusive<u8> = 4..=7;

/// The picture of sizes and nanoseconds.
pub(crate) fn svg(costs: &[(f64, f64)]) -> String {
    let most = costs.iter().map(|(_, cost)| *cost).fold(1.0, f64::max) * 1.2;
    let x = |size: f64| LEFT + (size.log10() - 4.0) / 3.0 * (WIDTH - LEFT - RIGHT);
    let y = |cost: f64| HEIGHT - BOTTOM - cost / most * (HEIGHT - TOP - BOTTOM);
    let mut parts = vec![format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>CPU time per event over the length of the log</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">nanoseconds of CPU per event, all threads</text>"
    )];
    for power in POWERS {
        let at = x(10f64.powi(i32::from(power)));
        parts.push(format!(
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">10^{power}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
        ));
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let cost = most * share;
        parts.push(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{cost:.0}</text>",
            LEFT - 8.0,
            y(cost) + 4.0,
        ));
    }
    let points = costs.iter().filter(|(size, _)| *size >= 1e4);
    let points = points.map(|(size, cost)| format!("{:.1},{:.1}", x(*size), y(*cost)));
    parts.push(format!(
        "<polyline fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.5\" points=\"{}\"/>",
        points.collect::<Vec<_>>().join(" ")
    ));
    parts.push("</svg>\n".to_owned());
    parts.join("\n")
}
